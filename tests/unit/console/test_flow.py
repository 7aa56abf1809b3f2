"""Flow picture: comparable heights, a stuck end, no band outside of the drawing."""

from apps.console.presentation.flow import HEIGHT, Flow, FlowBand, FlowNode, lay_out_flow

NODES = (
    FlowNode("cpq", "CPQ", 0),
    FlowNode("billing", "Billing", 1),
    FlowNode("tax", "Tax", 2),
    FlowNode("provisioning", "Provisioning", 2),
    FlowNode("erp", "ERP", 3),
)


def _band(source: str, target: str, count: int, stuck: int = 0) -> FlowBand:
    return FlowBand(source, target, count, str(count), stuck)


def _flow(*bands: FlowBand) -> Flow:
    return Flow(NODES, bands, "USD")


def test_heights_are_on_one_scale() -> None:
    shape = lay_out_flow(_flow(_band("cpq", "billing", 200), _band("billing", "tax", 400)))

    small, large = shape.bands
    assert round(large.height / small.height, 3) == 2.0


def test_the_stuck_end_is_the_stuck_share() -> None:
    (band,) = lay_out_flow(_flow(_band("cpq", "billing", 200, stuck=50))).bands

    whole = 1000 * 0.84 / 3 - 5
    assert round(band.stuck_width / whole, 3) == 0.25


def test_everything_stays_inside() -> None:
    bands = (
        _band("cpq", "billing", 212, 31),
        _band("billing", "tax", 486, 9),
        _band("billing", "provisioning", 148, 6),
        _band("tax", "erp", 538, 71),
        _band("provisioning", "erp", 139, 11),
    )
    shape = lay_out_flow(_flow(*bands))

    assert all(band.stuck_y + band.height <= HEIGHT for band in shape.bands)
    assert all(node.y >= 0 and node.y + node.height <= HEIGHT for node in shape.nodes)
    assert [(band.source, band.target) for band in shape.bands][:2] == [
        ("CPQ", "Billing"),
        ("Billing", "Tax"),
    ]


def test_few_documents_make_low_bands_with_room_for_their_figure() -> None:
    shape = lay_out_flow(_flow(_band("cpq", "billing", 1), _band("billing", "tax", 3)))

    assert [band.height for band in shape.bands] == [18, 36]


def test_the_least_height_takes_no_room_from_the_words() -> None:
    bands = (_band("billing", "tax", 900), _band("billing", "provisioning", 1))
    shape = lay_out_flow(_flow(*bands))

    large, small = shape.bands
    assert small.height == 18
    assert large.stuck_y + large.height + 40 <= small.stuck_y
    assert small.stuck_y + small.height + 40 <= HEIGHT


def test_a_way_without_documents_is_a_line() -> None:
    shape = lay_out_flow(_flow(_band("cpq", "billing", 5), _band("billing", "provisioning", 0)))

    assert shape.bands[1].height == 3
    assert len(shape.nodes) == 5


def test_an_idle_hub_has_nothing_stuck() -> None:
    (band,) = lay_out_flow(_flow(_band("cpq", "billing", 0))).bands

    assert band.stuck_width == 0
