"""`python -m bench.soak`: good and bad traffic for as long as asked, and whether the service was right, whole and flat throughout.

    __main__.py   the command line; writes bench/results/soak.{json,md,png}; exit status 1 if anything was wrong
    traffic.py    what is sent: every kind of request, and which codes are right for it
    exchange.py   one request and what came of it, as a code
    drive.py      callers, bursts and pauses, minute by minute -> figures
    judge.py      figures -> what must be seen, and whether it was
    report.py, plot.py

The faulty sources and the mutations are those of the tests.
"""
