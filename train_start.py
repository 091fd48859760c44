"""Boot file of the training job: `python train_start.py --help` lists every hyperparameter."""

import sys

from modelarts.runtime.entry import training_job

if __name__ == "__main__":
    sys.exit(training_job(sys.argv[1:]))
