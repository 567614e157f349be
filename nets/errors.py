"""The error of invalid networks, data and designs."""


class NetworkError(ValueError):
    """Reports input that nets cannot accept; the message names the place, the value and what would be right."""
