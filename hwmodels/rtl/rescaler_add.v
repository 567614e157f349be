// Elementwise ADD with requantization, contract half_up, one lane. Its rescalers see 9-bit operands, not accumulators:
//
//   operand = scaled_input - scaled_zero                      (IN_WIDTH+1 bits, signed)
//   halved  = (halved_input - halved_zero) << (LEFT_SHIFT-1)  the larger scale's input: exactly one half
//   sum     = round_shift(operand * mult_in, r_in) + halved   r_in  = SHIFT_IN_MIN + shift_in
//   q       = clamp(zero_point + round_shift(sum * mult_out, r_out))   r_out = SHIFT_OUT_MIN + shift_out
//
// where round_shift(x, r) = (x + 2^(r-1)) >> r, or x << -r for r <= 0. The left shift by LEFT_SHIFT of both inputs is
// part of r_in (which may be negative) and of the wiring of `halved`. SUM_WIDTH must hold the sum. All shifts but the
// variable parts are constants of the layer. MULT_*_WIDTH = 1 is a pure shift. CONSTANTS = 1 builds the unit for all zero
// points and for Q_MIN and Q_MAX (see rescaler.v, which this needs); a zero point of 0 then takes no subtractor. MULT_IN
// and MULT_OUT other than 0 are constant multipliers of MULT_*_WIDTH bits (constant_product.v); their shifts are constant.
//
// INPUT_PRODUCT_STAGES and INPUT_SUM_STAGE put registers into and behind the product of the scaled input, and behind the
// sum of both; the other stages are those of the rescaler of the sum (rescaler.v). A constant product has one stage at
// most. Multipliers and shifts belong to the layer, like the zero points: they must not change while inputs are on
// their way.
module rescaler_add #(
    parameter integer IN_WIDTH        = 8,
    parameter integer LEFT_SHIFT      = 20,
    parameter integer MULT_IN_WIDTH   = 31,
    parameter integer SHIFT_IN_WIDTH  = 0,
    parameter integer SHIFT_IN_MIN    = 12,
    parameter integer SUM_WIDTH       = 31,
    parameter integer MULT_OUT_WIDTH  = 31,
    parameter integer SHIFT_OUT_WIDTH = 0,
    parameter integer SHIFT_OUT_MIN   = 49,
    parameter integer OUT_WIDTH       = 8,
    parameter integer INPUT_PRODUCT_STAGES = 0,
    parameter integer INPUT_SUM_STAGE = 0,
    parameter integer PRODUCT_STAGES  = 0,
    parameter integer SHIFT_STAGE     = 0,
    parameter integer SUM_STAGE       = 0,
    parameter integer MULT_IN         = 0,
    parameter integer MULT_OUT        = 0,
    parameter integer CONSTANTS       = 0,
    parameter integer SCALED_ZERO     = 0,
    parameter integer HALVED_ZERO     = 0,
    parameter integer ZERO_POINT      = 0,
    parameter integer Q_MIN           = -128,
    parameter integer Q_MAX           = 127,
    parameter integer ENABLE          = 0,
    parameter integer RESET           = 0
) (
    input  wire                        clk,
    input  wire                        reset,
    input  wire                        enable,
    input  wire signed [IN_WIDTH-1:0]  scaled_input,
    input  wire signed [IN_WIDTH-1:0]  halved_input,
    /* verilator lint_off UNUSEDSIGNAL */ // a pure shift reads no multiplier, a constant no port
    input  wire signed [IN_WIDTH-1:0]  scaled_zero,
    input  wire signed [IN_WIDTH-1:0]  halved_zero,
    input  wire [MULT_IN_WIDTH-1:0]    mult_in,
    input  wire [(SHIFT_IN_WIDTH > 0 ? SHIFT_IN_WIDTH : 1)-1:0] shift_in,
    input  wire [MULT_OUT_WIDTH-1:0]   mult_out,
    input  wire [(SHIFT_OUT_WIDTH > 0 ? SHIFT_OUT_WIDTH : 1)-1:0] shift_out,
    input  wire signed [OUT_WIDTH-1:0] zero_point,
    input  wire signed [OUT_WIDTH-1:0] q_min,
    input  wire signed [OUT_WIDTH-1:0] q_max,
    /* verilator lint_on UNUSEDSIGNAL */
    output wire signed [OUT_WIDTH-1:0] q
);
    generate
        if (IN_WIDTH < 1) begin : g_in_width_check
            rescaler_add_IN_WIDTH_must_be_at_least_1 invalid ();
        end
        if (LEFT_SHIFT < 1) begin : g_left_shift_check
            rescaler_add_LEFT_SHIFT_must_be_at_least_1 invalid ();
        end
        if (MULT_IN_WIDTH < 1) begin : g_mult_in_width_check
            rescaler_add_MULT_IN_WIDTH_must_be_at_least_1 invalid ();
        end
        if (MULT_OUT_WIDTH < 1) begin : g_mult_out_width_check
            rescaler_add_MULT_OUT_WIDTH_must_be_at_least_1 invalid ();
        end
        if (SHIFT_IN_WIDTH < 0) begin : g_shift_in_width_check
            rescaler_add_SHIFT_IN_WIDTH_must_be_at_least_0 invalid ();
        end
        if (SHIFT_OUT_WIDTH < 0) begin : g_shift_out_width_check
            rescaler_add_SHIFT_OUT_WIDTH_must_be_at_least_0 invalid ();
        end
    endgenerate

    localparam OPERAND_WIDTH = IN_WIDTH + 1;
    localparam LEFT          = (SHIFT_IN_MIN < 1) ? 1 - SHIFT_IN_MIN : 0;
    localparam DROP          = SHIFT_IN_MIN + LEFT - 1;
    localparam PRODUCT_WIDTH = (MULT_IN_WIDTH == 1) ? OPERAND_WIDTH : OPERAND_WIDTH + MULT_IN_WIDTH;
    localparam KEPT_WIDTH    = (PRODUCT_WIDTH + LEFT - DROP > 2) ? PRODUCT_WIDTH + LEFT - DROP : 2;
    localparam HALVED_WIDTH  = OPERAND_WIDTH + LEFT_SHIFT - 1;

    /* verilator lint_off WIDTHEXPAND */ // signed operands of unlike widths: sign extension is what is meant
    wire signed [OPERAND_WIDTH-1:0] operand;
    wire signed [OPERAND_WIDTH-1:0] offset;
    /* verilator lint_off UNUSEDSIGNAL */ // the bits below the smallest shift are dropped on purpose
    wire signed [PRODUCT_WIDTH-1:0] product;
    /* verilator lint_on UNUSEDSIGNAL */
    wire signed [KEPT_WIDTH-1:0]    kept;
    wire signed [KEPT_WIDTH-1:0]    shifted;
    wire signed [HALVED_WIDTH-1:0]  halved;
    wire signed [OPERAND_WIDTH-1:0] delayed_offset;

    rescaler_delay #(.WIDTH(OPERAND_WIDTH), .STAGES(INPUT_PRODUCT_STAGES), .ENABLE(ENABLE), .RESET(RESET)) delay_halved (
        .clk(clk), .reset(reset), .enable(enable), .value(offset), .delayed(delayed_offset)
    );

    generate
        if (CONSTANTS == 0) begin : g_scaled_port
            assign operand = scaled_input - scaled_zero;
        end else if (SCALED_ZERO != 0) begin : g_scaled_constant
            localparam signed [IN_WIDTH-1:0] ZERO = $signed(SCALED_ZERO[IN_WIDTH-1:0]);
            assign operand = scaled_input - ZERO;
        end else begin : g_scaled
            assign operand = scaled_input;
        end

        if (CONSTANTS == 0) begin : g_halved_port
            assign offset = halved_input - halved_zero;
        end else if (HALVED_ZERO != 0) begin : g_halved_constant
            localparam signed [IN_WIDTH-1:0] ZERO = $signed(HALVED_ZERO[IN_WIDTH-1:0]);
            assign offset = halved_input - ZERO;
        end else begin : g_halved
            assign offset = halved_input;
        end

        if (MULT_IN_WIDTH == 1) begin : g_pure_shift
            assign product = operand;
        end else if (MULT_IN != 0) begin : g_constant
            /* verilator lint_off UNUSEDSIGNAL */ // the product of a MULT_IN_WIDTH-bit constant needs one bit less
            wire signed [OPERAND_WIDTH+$clog2(MULT_IN / 2 + 1) + 1:0] whole;
            /* verilator lint_on UNUSEDSIGNAL */
            constant_product #(.IN_WIDTH(OPERAND_WIDTH), .MULTIPLIER(MULT_IN)) scale (.value(operand), .product(whole));
            wire signed [PRODUCT_WIDTH-1:0] staged;
            rescaler_delay #(.WIDTH(PRODUCT_WIDTH), .STAGES(INPUT_PRODUCT_STAGES), .ENABLE(ENABLE), .RESET(RESET)) delay_product (
                .clk(clk), .reset(reset), .enable(enable), .value(whole[PRODUCT_WIDTH-1:0]), .delayed(staged)
            );
            assign product = staged;
        end else if (INPUT_PRODUCT_STAGES > 0) begin : g_staged_product
            rescaler_product #(
                .IN_WIDTH(OPERAND_WIDTH), .MULT_WIDTH(MULT_IN_WIDTH), .STAGES(INPUT_PRODUCT_STAGES), .ENABLE(ENABLE), .RESET(RESET)
            ) multiply (.clk(clk), .reset(reset), .enable(enable), .value(operand), .mult(mult_in), .product(product));
        end else begin : g_multiply
            wire signed [MULT_IN_WIDTH:0] multiplier = {1'b0, mult_in};
            assign product = operand * multiplier;
        end

        if (LEFT > 0) begin : g_left
            assign kept = $signed({product, {LEFT{1'b0}}});
        end else if (PRODUCT_WIDTH - DROP >= 2) begin : g_drop
            assign kept = $signed(product[PRODUCT_WIDTH-1:DROP]);
        end else begin : g_sign_only
            assign kept = {2{product[PRODUCT_WIDTH-1]}};
        end

        if (SHIFT_IN_WIDTH == 0) begin : g_constant_shift
            assign shifted = kept;
        end else begin : g_barrel_shift
            assign shifted = kept >>> shift_in;
        end

        if (LEFT_SHIFT > 1) begin : g_halve
            assign halved = $signed({delayed_offset, {(LEFT_SHIFT-1){1'b0}}});
        end else begin : g_no_shift
            assign halved = delayed_offset;
        end
    endgenerate

    // One adder rounds the scaled input and adds the halved one, as in the rescaler.
    wire signed [HALVED_WIDTH:0] rounded_halved = {halved, 1'b1};
    /* verilator lint_off UNUSEDSIGNAL */ // the lowest bit of the sum has done its work once it has carried
    wire signed [SUM_WIDTH:0] sum = shifted + rounded_halved;
    /* verilator lint_on UNUSEDSIGNAL */
    /* verilator lint_on WIDTHEXPAND */

    wire signed [SUM_WIDTH-1:0] staged_sum;

    generate
        if (INPUT_SUM_STAGE != 0) begin : g_input_sum_stage
            rescaler_register #(.WIDTH(SUM_WIDTH), .ENABLE(ENABLE), .RESET(RESET)) input_sum_register (
                .clk(clk), .reset(reset), .enable(enable), .d(sum[SUM_WIDTH:1]), .q(staged_sum)
            );
        end else begin : g_no_input_sum_stage
            assign staged_sum = $signed(sum[SUM_WIDTH:1]);
        end

        if (MULT_OUT != 0) begin : g_constant_output
            rescaler_constant #(
                .ACC_WIDTH(SUM_WIDTH), .MULTIPLIER(MULT_OUT), .SHIFT(SHIFT_OUT_MIN), .OUT_WIDTH(OUT_WIDTH),
                .PRODUCT_STAGE(PRODUCT_STAGES), .SUM_STAGE(SUM_STAGE),
                .CONSTANTS(CONSTANTS), .ZERO_POINT(ZERO_POINT), .Q_MIN(Q_MIN), .Q_MAX(Q_MAX),
                .ENABLE(ENABLE), .RESET(RESET)
            ) output_rescaler (
                .clk(clk), .reset(reset), .enable(enable), .acc(staged_sum),
                .zero_point(zero_point), .q_min(q_min), .q_max(q_max), .q(q)
            );
        end else begin : g_output
            rescaler #(
                .ACC_WIDTH(SUM_WIDTH), .MULT_WIDTH(MULT_OUT_WIDTH), .SHIFT_WIDTH(SHIFT_OUT_WIDTH),
                .SHIFT_MIN(SHIFT_OUT_MIN), .OUT_WIDTH(OUT_WIDTH),
                .PRODUCT_STAGES(PRODUCT_STAGES), .SHIFT_STAGE(SHIFT_STAGE), .SUM_STAGE(SUM_STAGE),
                .CONSTANTS(CONSTANTS), .ZERO_POINT(ZERO_POINT), .Q_MIN(Q_MIN), .Q_MAX(Q_MAX),
                .ENABLE(ENABLE), .RESET(RESET)
            ) output_rescaler (
                .clk(clk), .reset(reset), .enable(enable), .acc(staged_sum), .mult(mult_out), .shift(shift_out),
                .zero_point(zero_point), .q_min(q_min), .q_max(q_max), .q(q)
            );
        end
    endgenerate
endmodule
