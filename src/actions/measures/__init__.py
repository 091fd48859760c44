"""What criteria measure: heights, distances and angles between a person's joints, and against the lines of a scene."""
