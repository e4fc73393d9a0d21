"""`python -m bench.soak`: good and bad traffic, and whether the service stays right and flat.

    traffic.py   every kind of request, and which codes are right for it
    clients.py   send them: steady clients, bursts, a kept connection, a rest after each minute

The faulty sources and the mutated files are those of the tests.
"""
