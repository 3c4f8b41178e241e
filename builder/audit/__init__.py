"""Evidence: is this what was frozen, who says so, was it ever checked, and can it be restored?"""
