"""torchrun without its own traceback when a process fails: each process has already said why."""

import sys

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

if __name__ == "__main__":
    try:
        main()
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        print(f"rank {rank} ended first, with exit status {failure.exitcode}", file=sys.stderr)
        # A negative status is the signal that ended the process; a shell reports it as 128 + signal.
        sys.exit(failure.exitcode if failure.exitcode >= 0 else 128 - failure.exitcode)
