// Folded rescaler of one lane, k = 1: rounding constant and zero point are part of the accumulator's bias.
//
//   q = clamp(acc >> r, q_min, q_max),   r = SHIFT_MIN + shift   (r < 0: a left shift)
//
// A bias of bias + 2^(r-1) + (zero_point << r) makes it equal rescaler.v at MULT_WIDTH = 1 (contract half_up, r >= 1).
// SHIFT_WIDTH is the window: its channels share 2^SHIFT_WIDTH right shifts from SHIFT_MIN on. 0 is one constant shift,
// which is wiring; a clamp and a register are left. CONSTANTS: see rescaler_clamp.v, which this needs. OUT_WIDTH >= 2.
// SHIFT_STAGE = 1 puts a register behind the shifter: see rescaler.v.
module rescaler_shift #(
    parameter integer ACC_WIDTH   = 20,
    parameter integer SHIFT_WIDTH = 0,
    parameter integer SHIFT_MIN   = 8,
    parameter integer OUT_WIDTH   = 8,
    parameter integer SHIFT_STAGE = 0,
    parameter integer CONSTANTS   = 1,
    parameter integer Q_MIN       = -128,
    parameter integer Q_MAX       = 127,
    parameter integer ENABLE      = 0,
    parameter integer RESET       = 0
) (
    input  wire                        clk,
    input  wire                        reset,
    input  wire                        enable,
    /* verilator lint_off UNUSEDSIGNAL */ // bits below the smallest shift are dropped; a constant shift reads no shift
    input  wire signed [ACC_WIDTH-1:0] acc,
    input  wire [(SHIFT_WIDTH > 0 ? SHIFT_WIDTH : 1)-1:0] shift,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire signed [OUT_WIDTH-1:0] q_min,
    input  wire signed [OUT_WIDTH-1:0] q_max,
    output wire signed [OUT_WIDTH-1:0] q
);
    generate
        if (ACC_WIDTH < 1) begin : g_acc_width_check
            rescaler_shift_ACC_WIDTH_must_be_at_least_1 invalid ();
        end
        if (SHIFT_WIDTH < 0) begin : g_shift_width_check
            rescaler_shift_SHIFT_WIDTH_must_be_at_least_0 invalid ();
        end
    endgenerate

    localparam LEFT       = (SHIFT_MIN < 0) ? -SHIFT_MIN : 0;
    localparam DROP       = SHIFT_MIN + LEFT;
    localparam KEPT_WIDTH = (ACC_WIDTH + LEFT - DROP > 2) ? ACC_WIDTH + LEFT - DROP : 2;

    wire signed [KEPT_WIDTH-1:0] kept;
    wire signed [KEPT_WIDTH-1:0] shifted;
    wire signed [KEPT_WIDTH-1:0] staged;
    wire signed [OUT_WIDTH-1:0]  clamped;

    generate
        if (LEFT > 0) begin : g_left
            assign kept = $signed({acc, {LEFT{1'b0}}});
        end else if (ACC_WIDTH - DROP >= 2) begin : g_drop
            assign kept = $signed(acc[ACC_WIDTH-1:DROP]);
        end else begin : g_sign_only
            assign kept = {2{acc[ACC_WIDTH-1]}};
        end

        if (SHIFT_WIDTH == 0) begin : g_constant_shift
            assign shifted = kept;
        end else begin : g_window
            assign shifted = kept >>> shift;
        end
    endgenerate

    rescaler_delay #(.WIDTH(KEPT_WIDTH), .STAGES(SHIFT_STAGE), .ENABLE(ENABLE), .RESET(RESET)) delay_shifted (
        .clk(clk), .reset(reset), .enable(enable), .value(shifted), .delayed(staged)
    );

    rescaler_clamp #(
        .IN_WIDTH(KEPT_WIDTH), .OUT_WIDTH(OUT_WIDTH), .CONSTANTS(CONSTANTS), .Q_MIN(Q_MIN), .Q_MAX(Q_MAX)
    ) clamp (.value(staged), .q_min(q_min), .q_max(q_max), .clamped(clamped));

    rescaler_register #(.WIDTH(OUT_WIDTH), .ENABLE(ENABLE), .RESET(RESET)) output_register (
        .clk(clk), .reset(reset), .enable(enable), .d(clamped), .q(q)
    );
endmodule
