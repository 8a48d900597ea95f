"""The benchmarks: ``python -m benchmarks`` (``make bench``), ``--quick`` for the assertions on counts.

Every figure is a ratio of medians within one run on one machine. The server runs in a process of its own, each variant
in another one, and they are fed round-robin: A B A B.
"""
