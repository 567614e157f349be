"""What can be wrong with a network, its data or a choice made about it."""


class NetworkError(ValueError):
    """Input that nets cannot accept; the message names the place, the value and what would be right."""
