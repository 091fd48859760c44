"""What a rank says it is doing, where others judge by it; any other words are for the log only."""

JOINING = "joining the cards"
TRAINING = "training"
WAITING = "waiting for data"

#: The phases of a step, once the first one is made.
STEPPING = (TRAINING, WAITING)
