// Rescaler of one output lane, contract half_up:
//
//   q = clamp(zero_point + ((acc * mult + 2^(r-1)) >> r), q_min, q_max),   r = SHIFT_MIN + shift
//
// and acc * mult << -r where r <= 0. Two identities keep it small:
//   (x + 2^(r-1)) >> r      == ((x >> (r-1)) + 1) >> 1      rounding after the shifter, not before it
//   ((s + 1) >> 1) + z      == (s + 1 + 2*z) >> 1           one adder rounds and adds the zero point
//
// MULT_WIDTH is k, the width of the unsigned, normalised multiplier; 1 is a pure shift (mult is then not read).
// SHIFT_WIDTH counts the bits by which channels differ; SHIFT_MIN, common to all, is wiring. OUT_WIDTH >= 2.
// CONSTANTS = 1 builds the unit for ZERO_POINT, Q_MIN and Q_MAX, whose ports are then not read; a bound that is an end of
// the type takes the saturation alone. ENABLE and RESET: see rescaler_register.v, which this needs.
//
// A result comes out one rising edge after its operand, and one more for each of
//   PRODUCT_STAGES  slices in which the product is made, a register behind each (rescaler_product.v; MULT_WIDTH >= 2)
//   SHIFT_STAGE     1: a register behind the shifter
//   SUM_STAGE       1: a register behind the adder of rounding and zero point
// A new operand may enter with its multiplier and shift at every edge. zero_point, q_min and q_max belong to the layer
// and are not delayed: they must not change while operands are on their way.
module rescaler #(
    parameter integer ACC_WIDTH   = 32,
    parameter integer MULT_WIDTH  = 31,
    parameter integer SHIFT_WIDTH = 6,
    parameter integer SHIFT_MIN   = 1,
    parameter integer OUT_WIDTH   = 8,
    parameter integer PRODUCT_STAGES = 0,
    parameter integer SHIFT_STAGE = 0,
    parameter integer SUM_STAGE   = 0,
    parameter integer CONSTANTS   = 0,
    parameter integer ZERO_POINT  = 0,
    parameter integer Q_MIN       = -128,
    parameter integer Q_MAX       = 127,
    parameter integer ENABLE      = 0,
    parameter integer RESET       = 0
) (
    input  wire                                          clk,
    input  wire                                          reset,
    input  wire                                          enable,
    input  wire signed [ACC_WIDTH-1:0]                   acc,
    /* verilator lint_off UNUSEDSIGNAL */ // a pure shift reads no multiplier, a constant no port
    input  wire        [MULT_WIDTH-1:0]                  mult,
    input  wire        [(SHIFT_WIDTH > 0 ? SHIFT_WIDTH : 1)-1:0] shift,
    input  wire signed [OUT_WIDTH-1:0]                   zero_point,
    input  wire signed [OUT_WIDTH-1:0]                   q_min,
    input  wire signed [OUT_WIDTH-1:0]                   q_max,
    /* verilator lint_on UNUSEDSIGNAL */
    output wire signed [OUT_WIDTH-1:0]                   q
);
    generate
        if (ACC_WIDTH < 1) begin : g_acc_width_check
            rescaler_ACC_WIDTH_must_be_at_least_1 invalid ();
        end
        if (MULT_WIDTH < 1) begin : g_mult_width_check
            rescaler_MULT_WIDTH_must_be_at_least_1 invalid ();
        end
        if (SHIFT_WIDTH < 0) begin : g_shift_width_check
            rescaler_SHIFT_WIDTH_must_be_at_least_0 invalid ();
        end
        if (OUT_WIDTH < 2) begin : g_out_width_check
            rescaler_OUT_WIDTH_must_be_at_least_2 invalid ();
        end
    endgenerate

    // LEFT zeros below the product make every shift a right shift by at least 1; DROP low bits never matter.
    localparam LEFT          = (SHIFT_MIN < 1) ? 1 - SHIFT_MIN : 0;
    localparam DROP          = SHIFT_MIN + LEFT - 1;
    localparam PRODUCT_WIDTH = (MULT_WIDTH == 1) ? ACC_WIDTH : ACC_WIDTH + MULT_WIDTH;
    localparam KEPT_WIDTH    = (PRODUCT_WIDTH + LEFT - DROP > 2) ? PRODUCT_WIDTH + LEFT - DROP : 2;
    localparam SUM_WIDTH     = ((KEPT_WIDTH > OUT_WIDTH + 1) ? KEPT_WIDTH : OUT_WIDTH + 1) + 1;
    localparam FULL_WIDTH    = SUM_WIDTH - 1;

    /* verilator lint_off UNUSEDSIGNAL */ // the bits below the smallest shift are dropped on purpose
    wire signed [PRODUCT_WIDTH-1:0] product;
    /* verilator lint_on UNUSEDSIGNAL */
    wire signed [KEPT_WIDTH-1:0]    kept;
    wire signed [KEPT_WIDTH-1:0]    shifted;
    wire signed [KEPT_WIDTH-1:0]    addend;
    wire signed [FULL_WIDTH-1:0]    full;
    /* verilator lint_off UNUSEDSIGNAL */ // the lowest bit of the sum has done its work once it has carried
    wire signed [SUM_WIDTH-1:0]     sum;
    /* verilator lint_on UNUSEDSIGNAL */

    /* verilator lint_off WIDTHEXPAND */ // signed operands of unlike widths: sign extension is what is meant
    generate
        if (MULT_WIDTH == 1) begin : g_pure_shift
            assign product = acc;
        end else if (PRODUCT_STAGES > 0) begin : g_staged_product
            rescaler_product #(
                .IN_WIDTH(ACC_WIDTH), .MULT_WIDTH(MULT_WIDTH), .STAGES(PRODUCT_STAGES), .ENABLE(ENABLE), .RESET(RESET)
            ) multiply (.clk(clk), .reset(reset), .enable(enable), .value(acc), .mult(mult), .product(product));
        end else begin : g_multiply
            wire signed [MULT_WIDTH:0] multiplier = {1'b0, mult};
            assign product = acc * multiplier;
        end

        if (LEFT > 0) begin : g_left
            assign kept = $signed({product, {LEFT{1'b0}}});
        end else if (PRODUCT_WIDTH - DROP >= 2) begin : g_drop
            assign kept = $signed(product[PRODUCT_WIDTH-1:DROP]);
        end else begin : g_sign_only
            assign kept = {2{product[PRODUCT_WIDTH-1]}};
        end

        if (SHIFT_WIDTH == 0) begin : g_constant_shift
            assign shifted = kept;
        end else if (PRODUCT_STAGES > 0) begin : g_delayed_shift
            wire [SHIFT_WIDTH-1:0] amount;
            rescaler_delay #(.WIDTH(SHIFT_WIDTH), .STAGES(PRODUCT_STAGES), .ENABLE(ENABLE), .RESET(RESET)) delay_shift (
                .clk(clk), .reset(reset), .enable(enable), .value(shift), .delayed(amount)
            );
            assign shifted = kept >>> amount;
        end else begin : g_barrel_shift
            assign shifted = kept >>> shift;
        end

        if (SHIFT_STAGE != 0) begin : g_shift_stage
            rescaler_register #(.WIDTH(KEPT_WIDTH), .ENABLE(ENABLE), .RESET(RESET)) shift_register (
                .clk(clk), .reset(reset), .enable(enable), .d(shifted), .q(addend)
            );
        end else begin : g_no_shift_stage
            assign addend = shifted;
        end

        if (CONSTANTS == 0) begin : g_port_offset
            wire signed [OUT_WIDTH:0] offset = {zero_point, 1'b1};
            assign sum = addend + offset;
        end else begin : g_constant_offset
            localparam signed [OUT_WIDTH:0] OFFSET = $signed({ZERO_POINT[OUT_WIDTH-1:0], 1'b1});
            assign sum = addend + OFFSET;
        end

        if (SUM_STAGE != 0) begin : g_sum_stage
            rescaler_register #(.WIDTH(FULL_WIDTH), .ENABLE(ENABLE), .RESET(RESET)) sum_register (
                .clk(clk), .reset(reset), .enable(enable), .d(sum[SUM_WIDTH-1:1]), .q(full)
            );
        end else begin : g_no_sum_stage
            assign full = $signed(sum[SUM_WIDTH-1:1]);
        end
    endgenerate
    /* verilator lint_on WIDTHEXPAND */

    // Saturate to OUT_WIDTH first: it needs the upper bits only, and leaves narrow comparisons for the activation's range.
    wire                         negative  = full[FULL_WIDTH-1];
    wire                         too_high  = ~negative & (|full[FULL_WIDTH-2:OUT_WIDTH-1]);
    wire                         too_low   = negative & ~(&full[FULL_WIDTH-2:OUT_WIDTH-1]);
    wire signed [OUT_WIDTH-1:0]  saturated = too_high ? $signed({1'b0, {(OUT_WIDTH-1){1'b1}}})
                                           : too_low  ? $signed({1'b1, {(OUT_WIDTH-1){1'b0}}})
                                           : $signed(full[OUT_WIDTH-1:0]);
    wire signed [OUT_WIDTH-1:0]  floored;
    wire signed [OUT_WIDTH-1:0]  clamped;

    generate
        if (CONSTANTS == 0) begin : g_port_bounds
            assign floored = (saturated < q_min) ? q_min : saturated;
            assign clamped = (floored > q_max) ? q_max : floored;
        end else begin : g_constant_bounds
            localparam signed [OUT_WIDTH-1:0] LOW  = $signed(Q_MIN[OUT_WIDTH-1:0]);
            localparam signed [OUT_WIDTH-1:0] HIGH = $signed(Q_MAX[OUT_WIDTH-1:0]);
            if (Q_MIN == -(1 << (OUT_WIDTH - 1))) begin : g_lowest
                assign floored = saturated;
            end else begin : g_low
                assign floored = (saturated < LOW) ? LOW : saturated;
            end
            if (Q_MAX == (1 << (OUT_WIDTH - 1)) - 1) begin : g_highest
                assign clamped = floored;
            end else begin : g_high
                assign clamped = (floored > HIGH) ? HIGH : floored;
            end
        end
    endgenerate

    rescaler_register #(.WIDTH(OUT_WIDTH), .ENABLE(ENABLE), .RESET(RESET)) output_register (
        .clk(clk), .reset(reset), .enable(enable), .d(clamped), .q(q)
    );
endmodule
