"""HTML pages that need no network and no other file: of runs, and of folders of predictions and maps.

run_page        the page of a run, put together from
run_scores      what its folder tells: scores, curves, classes, confusion; and from
run_network     what its network shows: class attributes, attention
summary_page    the page of several runs, put together from
summary_rows    the values of one kind of run, epoch and branch; and from
summary_charts  scores, curves and classes over the runs
gallery         the page of a folder of predictions; and, with labels,
labelled        how often they are right
confusion       which classes are taken for which, of a run or of predictions
map_page        the page of a folder of maps
panels          one image as the network sees it; model/visualize.py draws these, too
attention_maps  how a map is laid over its image
app_page        what happens on the page of model/app.py, without the page; and
app_views       an answer on it, with the looks of app.css; app_ranking and app_maps are parts of it
app_frame       what stands around an answer; app_classes the classes that a visitor adds;
                app_dataset what a run's dataset tells; app_errors what is wrong
html            tables, cards, pictures, and around them report.html with its CSS and script;
                colours.css has the colours of every page
charts          lines and bars as inline SVG, strips dots, heat_map a matrix; svg the elements of all
table_formats   a table as Markdown, LaTeX, CSV or text, for model/tables.py

The charts are SVG of our own: they have tooltips, and follow the page's width and its dark mode by CSS, which
those of matplotlib do not.

This room imports any other but `bench`. Start with run_page.py.

From a notebook, with a run of `inference.load_run`:

    from pages.panels import draw_attention
    draw_attention(run, "a.jpg")  # a PIL image

It is not imported here, since tables.py needs `table_formats` alone, and no torch.
"""
