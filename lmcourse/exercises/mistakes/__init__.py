"""Typical wrong answers, a file a topic: what the exercises must refuse, by names that say the mistake."""
