"""Report of a run: a self-contained HTML page, its tables as Markdown, and the summary on the terminal."""

from edgesim.report.markdown import write_all, write_markdown
from edgesim.report.page import write
from edgesim.report.terminal_summary import summary_of

__all__ = ["summary_of", "write", "write_all", "write_markdown"]
