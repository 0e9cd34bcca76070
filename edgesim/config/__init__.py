"""Documents: YAML read strictly, checked against frozen dataclasses with every fault at once, and plug-ins by name."""
