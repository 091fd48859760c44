"""Boot file of the training job: `python train_start.py --help` lists every hyperparameter."""

import sys

from src.interrupts import keep_ctrl_c, leave
from src.missing_packages import explain_missing_packages

if __name__ == "__main__":
    explain_missing_packages()
    keep_ctrl_c()
    from modelarts.runtime.entry import training_job

    leave(training_job(sys.argv[1:]))
