"""Text in LaTeX: signs that it interprets, that join into others, or that its fonts lack."""

from __future__ import annotations

import re
import unicodedata

_SIGNS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"$<$", ">": r"$>$", "|": r"$|$",
    '"': r"\texttt{\char34}", "`": r"\textasciigrave{}", "'": r"'{}",
    "±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$", "−": r"$-$", "≥": r"$\geq$", "≤": r"$\leq$", "≈": r"$\approx$",
    "≠": r"$\neq$", "→": r"$\rightarrow$", "∞": r"$\infty$", "√": r"$\surd$", "²": r"$^2$", "³": r"$^3$",
    "µ": r"$\mu$", "°": r"$^\circ$", "–": "--", "—": "---", "…": r"\dots{}", "’": r"'{}", "‘": r"`{}", "“": "``{}",
    "”": "''{}", "\u00a0": "~", "\u2009": r"\,", "\u202f": r"\,",
}  # fmt: skip
"""sign -> LaTeX; those in maths are of the fonts that every document has, and none of them is a bitmap"""
_NO_LETTER = {"omicron": "o", "Alpha": "A", "Beta": "B", "Epsilon": "E", "Zeta": "Z", "Eta": "H", "Iota": "I",
              "Kappa": "K", "Mu": "M", "Nu": "N", "Omicron": "O", "Rho": "P", "Tau": "T", "Chi": "X"}  # fmt: skip
"""Greek letters that look like Latin ones and have no name in LaTeX"""
_NEGATIVE = re.compile(r"(?<![\w.-])-(?=[\d.])")
_LAST_OF_LATIN = 0x17F
"""last sign of Latin Extended-A, which LaTeX's fonts have"""


def escaped(text: str) -> str:
    """A text that LaTeX sets as it is written; the hyphen before a number is a minus sign."""
    text = _NEGATIVE.sub("−", text).replace("--", "-\0-").replace("--", "-\0-")
    return "".join("{}" if sign == "\0" else _sign(sign) for sign in text)


def unknown_signs(text: str) -> str:
    """The signs of a text that LaTeX's usual fonts lack, each once."""
    return "".join(dict.fromkeys(sign for sign in text if _sign(sign) == sign and ord(sign) > _LAST_OF_LATIN))


def _sign(sign: str) -> str:
    if sign in _SIGNS:
        return _SIGNS[sign]
    found = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", unicodedata.name(sign, ""))
    if found is None:
        return sign
    name = found[2].lower() if found[1] == "SMALL" else found[2].capitalize()
    name = {"lamda": "lambda", "Lamda": "Lambda"}.get(name, name)
    if name == "final":
        return r"$\varsigma$"
    return _NO_LETTER.get(name, rf"$\{name}$")
