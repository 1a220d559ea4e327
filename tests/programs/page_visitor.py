"""What a visitor of the page of app.py does and reads, with a page of playwright."""

import numpy as np
import pytest


def answered(page, act) -> None:
    """Do something, and wait until there is another answer than before."""
    page.bring_to_front()  # the browser takes its time with pages behind
    page.evaluate(
        "for (const old of document.querySelector('#answer').querySelectorAll('.dsva')) old.id = 'old'"
    )
    act()
    page.locator("#answer .dsva:not(#old)").wait_for()


def choose_file(page, file, where="#picture"):
    page.locator(f"{where} input[type=file]").set_input_files(file)


def ranked(page) -> dict:
    """Name -> probability, in their order."""
    entries = page.locator(".ranking").first.locator("xpath=..").locator("li")
    found = entries.evaluate_all("all => all.map(one => [one.children[0].textContent, +one.dataset.value])")
    return dict(found)


def expected(classifier, picture) -> dict:
    found = classifier.predict(picture)
    order = np.argsort(-found.scores[0], kind="stable")
    return {found.class_names[k].lower(): float(found.probabilities[0, k]) for k in order}


def agree(found: dict, right: dict):
    assert list(found) == list(right) and found == pytest.approx(right, rel=1e-4)


def fits(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def add_by_pictures(page, name, files):
    fill_in_class(page, name, files)
    answered(page, lambda: page.get_by_role("button", name="Add this class").click())


def fill_in_class(page, name, files):
    page.bring_to_front()
    if not page.get_by_label("Its name").is_visible():
        page.get_by_role("button", name="Add a class by pictures").click()
    page.get_by_label("Its name").fill(name)
    choose_file(page, files, "#pictures")
    page.locator("#pictures tr").nth(len(files) - 1).wait_for()


def marked(page) -> list:
    return page.locator("#examples .selected").all_inner_texts()


def refused(page) -> str:
    return page.get_by_role("alert").first.inner_text()
