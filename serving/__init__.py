"""HTTP around the pipeline: admission, deadlines, limits, one shape for every error, one log line a request.

    middleware.py       gives each request its lifecycle, and writes its log line
    lifecycle.py        one request from its first byte to its last: the only owner of its deadline, its end and the reason for it
    end_reasons.py      why a request may end early, and what each reason means for the response, the log line and the metric
    request_body.py     its body, counted while it is read; then its client, watched
    response_sender.py  its response, sent in parts; BentoML's bare errors in our shape
    admission.py        the queue, the single-worker executor, draining
    memory_budget.py    the bytes that requests hold, under one bound
    api_keys.py         who may call
    parsing.py          a request's body -> what is to be cut out, and how
    responses.py        a cutout or an error -> a response
    openapi.py          BentoML's OpenAPI document, completed
    static.py           the page at / and the API's documents at /docs
    settings.py         the environment, typed and validated
    runtime.py          what one worker shares between its requests
    startup.py          what is checked before any worker starts
    metrics.py  tracing.py  logging.py

One request: `middleware` -> `lifecycle.run` -> BentoML's routes -> `service.py`, which calls `lifecycle.admit`, reads the body by
`parsing`, waits for its turn in `admission`, and builds a response by `responses`, which `response_sender` sends.

What is private to BentoML, Starlette and uvicorn is used through `compat`; `service.py` ties all of it to the service.
"""
