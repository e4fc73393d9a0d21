"""What stands between HTTP and the pipeline: admission, deadlines, limits, one shape for every error, one log line a request.

    gate.py         the ASGI middleware around the whole service
    incoming.py     what the server receives of a request, and what is still coming once it is answered
    body.py         its body, counted while it is read; then its caller, watched
    reply.py        what goes back: BentoML's bare errors in our shape, large answers in parts
    exchange.py     what one request's log line will say
    line.py         who is inside, the one lane that the work runs in, and the end of both
    holdings.py     the bytes that requests hold while they wait, under one bound
    connections.py  those that hold no request, or an answer that nobody reads, are dropped
    requests.py     a request's body -> what is to be cut out, and how
    answers.py      a cut-out or an error -> a response
    openapi.py      BentoML's OpenAPI document, completed
    metrics.py      our own part of /metrics
    steps.py        the request's steps, told to the metrics and to the trace
    page.py         the page at / and the API's documents at /docs
    logs.py         the log's format

Nothing here imports BentoML; `service.py` ties it to the service.
"""
