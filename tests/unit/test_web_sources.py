"""The files of web/: self-contained, with a sentence per error and a control per option."""

import re
from typing import get_args

from pipeline.options import Options
from serving.responses import STATUSES
from tests.support.environment import ROOT

WEB = ROOT / "web"


def test_no_file_has_inline_code_or_loads_from_elsewhere() -> None:
    for file in WEB.iterdir():
        text = file.read_text()
        addresses = set(re.findall(r"""(?:https?:|["'(])//[\w-]+[\w.-]*""", text))
        assert addresses <= {"http://www.w3.org"}, file.name  # an XML namespace
        if file.suffix == ".html":
            assert not re.search(
                r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)|javascript:", text
            ), file.name


def test_every_error_has_a_sentence_on_the_page() -> None:
    block = re.search(
        r"const ERRORS = \{\n(.*?)\n\};", (WEB / "send.js").read_text(), flags=re.DOTALL
    )
    assert block is not None
    words = dict(re.findall(r'^  (\w+): "(.+)",$', block[1], flags=re.MULTILINE))
    assert list(words) == [error.code for error in STATUSES]
    for code, sentence in words.items():
        assert re.fullmatch(r"[A-Z][^_]+[.?]", sentence), code


def test_every_option_has_a_control() -> None:
    form = re.search(
        r'<form id="options".*?</form>', (WEB / "index.html").read_text(), flags=re.DOTALL
    )
    assert form is not None
    controls = re.findall(
        r'<(?:input|select)[^>]* name="(\w+)"(?: value="(\w+)")?( checked)?', form[0]
    )
    assert [name for name, _, _ in controls if name not in Options.model_fields] == []
    for name, option in Options.model_fields.items():
        values = {value: bool(checked) for control, value, checked in controls if control == name}
        choices = get_args(option.annotation) if option.annotation is not None else ()
        if name == "crop":
            assert values == {"true": True, "false": False}
        elif isinstance(option.default, str):
            assert values == {str(choice): choice == option.default for choice in choices}
        else:
            assert values, name
