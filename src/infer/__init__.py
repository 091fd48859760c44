"""Inference: pictures to persons, verdicts, rendered pictures and a report."""
