// Product of a signed value and an unsigned multiplier that come out STAGES rising edges later; STAGES >= 1.
//
// Stage i multiplies by the i-th slice of the multiplier, lowest first, and adds to what the stages before it have:
//
//   partial_i = partial_(i-1) + value * slice_i * 2^(i * SLICE)
//
// The bits below i * SLICE are final. Every slice but the last has SLICE bits; none may be empty, so that
// SLICE * (STAGES - 1) < MULT_WIDTH. MULT_WIDTH >= 2. ENABLE and RESET: see rescaler_register.v, which this needs.
module rescaler_product #(
    parameter integer IN_WIDTH   = 32,
    parameter integer MULT_WIDTH = 31,
    parameter integer STAGES     = 1,
    parameter integer ENABLE     = 0,
    parameter integer RESET      = 0
) (
    input  wire                                  clk,
    input  wire                                  reset,
    input  wire                                  enable,
    input  wire signed [IN_WIDTH-1:0]            value,
    input  wire        [MULT_WIDTH-1:0]          mult,
    output wire signed [IN_WIDTH+MULT_WIDTH-1:0] product
);
    generate
        if (STAGES < 1) begin : g_stages_check
            rescaler_product_STAGES_must_be_at_least_1 invalid ();
        end
        if (MULT_WIDTH < 2) begin : g_mult_width_check
            rescaler_product_MULT_WIDTH_must_be_at_least_2 invalid ();
        end
        if ((MULT_WIDTH + STAGES - 1) / STAGES * (STAGES - 1) >= MULT_WIDTH) begin : g_slice_check
            rescaler_product_STAGES_leave_a_slice_empty invalid ();
        end
    endgenerate

    localparam SLICE         = (MULT_WIDTH + STAGES - 1) / STAGES;
    localparam PRODUCT_WIDTH = IN_WIDTH + MULT_WIDTH;

    // What each stage leaves to the next; every one uses a part of its share.
    /* verilator lint_off UNUSEDSIGNAL */
    wire [IN_WIDTH*STAGES-1:0]      values;
    wire [MULT_WIDTH*STAGES-1:0]    rests;
    wire [PRODUCT_WIDTH*STAGES-1:0] partials;
    /* verilator lint_on UNUSEDSIGNAL */

    genvar i;
    /* verilator lint_off WIDTHEXPAND */ // signed operands of unlike widths: sign extension is what is meant
    generate
        for (i = 0; i < STAGES; i = i + 1) begin : g_stage
            localparam LOW  = i * SLICE;
            localparam BITS = (i == STAGES - 1) ? MULT_WIDTH - LOW : SLICE;
            localparam REST = MULT_WIDTH - LOW - BITS;

            wire signed [IN_WIDTH-1:0]      operand;
            wire        [BITS-1:0]          slice;
            wire signed [IN_WIDTH+BITS-1:0] sum;
            wire signed [IN_WIDTH+BITS-1:0] sum_q;
            wire signed [BITS:0]            factor = {1'b0, slice};

            if (i == 0) begin : g_first
                assign operand = value;
                assign slice   = mult[BITS-1:0];
                assign sum     = operand * factor;
            end else begin : g_next
                wire signed [IN_WIDTH-1:0] upper = $signed(partials[(i-1)*PRODUCT_WIDTH+LOW +: IN_WIDTH]);
                assign operand = $signed(values[(i-1)*IN_WIDTH +: IN_WIDTH]);
                assign slice   = rests[(i-1)*MULT_WIDTH +: BITS];
                assign sum     = operand * factor + upper;
            end
            rescaler_register #(.WIDTH(IN_WIDTH + BITS), .ENABLE(ENABLE), .RESET(RESET)) sum_register (
                .clk(clk), .reset(reset), .enable(enable), .d(sum), .q(sum_q)
            );

            if (REST > 0) begin : g_rest
                wire [REST-1:0] rest;
                wire [REST-1:0] rest_q;
                if (i == 0) begin : g_first_rest
                    assign rest = mult[MULT_WIDTH-1:BITS];
                end else begin : g_next_rest
                    assign rest = rests[(i-1)*MULT_WIDTH+BITS +: REST];
                end
                rescaler_register #(.WIDTH(IN_WIDTH), .ENABLE(ENABLE), .RESET(RESET)) operand_register (
                    .clk(clk), .reset(reset), .enable(enable), .d(operand), .q(values[i*IN_WIDTH +: IN_WIDTH])
                );
                rescaler_register #(.WIDTH(REST), .ENABLE(ENABLE), .RESET(RESET)) rest_register (
                    .clk(clk), .reset(reset), .enable(enable), .d(rest), .q(rest_q)
                );
                assign rests[i*MULT_WIDTH +: MULT_WIDTH] = {{(MULT_WIDTH-REST){1'b0}}, rest_q};
            end else begin : g_no_rest
                assign values[i*IN_WIDTH +: IN_WIDTH] = {IN_WIDTH{1'b0}};
                assign rests[i*MULT_WIDTH +: MULT_WIDTH] = {MULT_WIDTH{1'b0}};
            end

            if (i == 0) begin : g_first_partial
                wire signed [PRODUCT_WIDTH-1:0] partial = sum_q;
                assign partials[i*PRODUCT_WIDTH +: PRODUCT_WIDTH] = partial;
            end else begin : g_next_partial
                wire        [LOW-1:0]           low_q;
                rescaler_register #(.WIDTH(LOW), .ENABLE(ENABLE), .RESET(RESET)) low_register (
                    .clk(clk), .reset(reset), .enable(enable), .d(partials[(i-1)*PRODUCT_WIDTH +: LOW]), .q(low_q)
                );
                wire signed [PRODUCT_WIDTH-1:0] partial = $signed({sum_q, low_q});
                assign partials[i*PRODUCT_WIDTH +: PRODUCT_WIDTH] = partial;
            end
        end
    endgenerate
    /* verilator lint_on WIDTHEXPAND */

    assign product = $signed(partials[(STAGES-1)*PRODUCT_WIDTH +: PRODUCT_WIDTH]);
endmodule
