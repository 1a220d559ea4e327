"""HTML pages that need no network and no other file: of a run, and of a folder of predictions.

run_page     the page of a run, put together from
run_scores   what its folder tells: scores, curves, classes, confusion; and from
run_network  what its network shows: class attributes, attention
gallery      the page of a folder of predictions
panels       one image as the network sees it; model/visualize.py draws these, too
html         tables, cards, pictures, and around them report.html with its CSS and script
charts       lines and bars as inline SVG, heat_map a matrix; svg the elements of both

The charts are SVG of our own: they have tooltips, and follow the page's width and its dark mode by CSS, which
those of matplotlib do not.

This room imports any other but `bench`. Start with run_page.py.
"""
