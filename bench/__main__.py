"""Run the benchmarks that are named, or all of them."""

import sys

from bench import audit, aws, azure, gate, image, process

BENCHMARKS = {
    "audit": audit.main,
    "process": process.main,
    "gate": gate.main,
    "aws": aws.main,
    "azure": azure.main,
    "image": image.main,
}


def main() -> int:
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in names:
        BENCHMARKS[name]()
    return 0


sys.exit(main())
