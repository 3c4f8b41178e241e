"""HCL text to a typed `Recipe`: parse, evaluate, check, format, describe."""
