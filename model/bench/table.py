"""What was timed, as lines of a table."""

from bench.workload import Row

COLUMNS = f"{'':20}{'ms/batch':>10}{'tower':>10}{'ratio':>8}{'images/s':>10}{'TFLOP/s':>9}{'of peak':>9}"
PUBLISHED_COLUMNS = f"{'published':>11}{'times':>7}"


def three_digits(value: float) -> str:
    """`0.000244`, `1.50`, `109`, `12346`: no more than was measured."""
    return f"{value:.0f}" if value >= 1000 else f"{value:#.3g}".rstrip(".")


def row_line(row: Row, pass_flops: float, matmul_flops: float) -> str:
    """A line below COLUMNS and, where the published order was timed, PUBLISHED_COLUMNS.

    pass_flops:   of an image, forward through the tower
    matmul_flops: FLOP/s of a product of matrices, the peak
    """
    ours = row.seconds["ours"]
    line = f"{row.name:20}{three_digits(1000 * ours / row.batches):>10}"
    if "tower" in row.seconds:
        tower = row.seconds["tower"]
        line += f"{three_digits(1000 * tower / row.batches):>10}{three_digits(ours / tower):>8}"
    else:
        line += " " * 18
    line += f"{three_digits(row.images / ours):>10}"
    if row.passes:
        speed = row.passes * row.images * pass_flops / ours
        line += f"{speed / 1e12:9.3g}{speed / matmul_flops:9.0%}"
    else:
        line += " " * 18
    if "published" in row.seconds:
        published = row.seconds["published"]
        line += f"{three_digits(1000 * published / row.batches):>11}{three_digits(published / ours):>7}"
    return line
