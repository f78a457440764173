from fuzzconv.report.param_text import layer_params, named_param


def test_parameters_get_ncnns_own_names() -> None:
    param = (
        "7767517\n2 2\n"
        "Input                    in0                      0 1 in0\n"
        "Convolution              c                        1 1 in0 a 0=1 1=2 5=1 6=4 99=7\n"
        "Reduction r 1 1 a b 0=3 1=0 -23303=2,1,2 4=1\n"
    )
    assert named_param(param) == (
        "7767517\n2 2\n"
        "Input                    in0                      0 1 in0\n"
        "Convolution              c                        1 1 in0 a"
        " num_output=1 kernel_w=2 bias_term=1 weight_data_size=4 99=7\n"
        "Reduction r 1 1 a b operation=3 reduce_all=0 axes=[1,2] keepdims=1\n"
    )


def test_damaged_lines_stay_as_they_are() -> None:
    for line in ["", "x y 1", "Conv c ² ² a", "Conv c 9 9 a b", "Hardmax h 1 1 a b # axis=0 p=q=r"]:
        assert named_param(line).rstrip("\n") == line


def test_the_table_covers_the_layers_with_weights() -> None:
    assert {"Convolution", "InnerProduct", "MemoryData", "LSTM", "PReLU", "Gemm"} <= set(layer_params())
