"""Text that XML can hold."""

from __future__ import annotations

import re

NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 can not hold (production 2, Char)."""


def xml_text(text: str) -> str:
    """Replace every character that XML can not hold; escaping is the writer's business."""
    return NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
