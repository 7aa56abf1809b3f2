"""Lengths as classes: the page's policy forbids inline styles, so places are whole percent."""


def whole_percent(value: float, whole: float = 100) -> int:
    """``value`` as a share of ``whole``, rounded and kept between 0 and 100."""
    return min(100, max(0, round(100 * value / whole)))
