// Product of a signed value and an unsigned multiplier that come out STAGES rising edges later; STAGES >= 1.
//
// Stage i multiplies by the i-th slice of the multiplier, lowest first, and adds to what the stages before it have:
//
//   partial_i = partial_(i-1) + value * slice_i * 2^(i * SLICE)
//
// The bits below i * SLICE are final. Every slice but the last has SLICE bits; none may be empty, so that
// SLICE * (STAGES - 1) < MULT_WIDTH. MULT_WIDTH >= 2.
module rescaler_product #(
    parameter IN_WIDTH   = 32,
    parameter MULT_WIDTH = 31,
    parameter STAGES     = 1
) (
    input  wire                                  clk,
    input  wire signed [IN_WIDTH-1:0]            value,
    input  wire        [MULT_WIDTH-1:0]          mult,
    output wire signed [IN_WIDTH+MULT_WIDTH-1:0] product
);
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
            reg  signed [IN_WIDTH+BITS-1:0] sum_q;
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
            always @(posedge clk) sum_q <= sum;

            if (REST > 0) begin : g_rest
                reg signed [IN_WIDTH-1:0] operand_q;
                reg        [REST-1:0]     rest_q;
                always @(posedge clk) operand_q <= operand;
                if (i == 0) begin : g_first_rest
                    always @(posedge clk) rest_q <= mult[MULT_WIDTH-1:BITS];
                end else begin : g_next_rest
                    always @(posedge clk) rest_q <= rests[(i-1)*MULT_WIDTH+BITS +: REST];
                end
                assign values[i*IN_WIDTH +: IN_WIDTH] = operand_q;
                assign rests[i*MULT_WIDTH +: MULT_WIDTH] = {{(MULT_WIDTH-REST){1'b0}}, rest_q};
            end else begin : g_no_rest
                assign values[i*IN_WIDTH +: IN_WIDTH] = {IN_WIDTH{1'b0}};
                assign rests[i*MULT_WIDTH +: MULT_WIDTH] = {MULT_WIDTH{1'b0}};
            end

            if (i == 0) begin : g_first_partial
                wire signed [PRODUCT_WIDTH-1:0] partial = sum_q;
                assign partials[i*PRODUCT_WIDTH +: PRODUCT_WIDTH] = partial;
            end else begin : g_next_partial
                reg         [LOW-1:0]           low_q;
                always @(posedge clk) low_q <= partials[(i-1)*PRODUCT_WIDTH +: LOW];
                wire signed [PRODUCT_WIDTH-1:0] partial = $signed({sum_q, low_q});
                assign partials[i*PRODUCT_WIDTH +: PRODUCT_WIDTH] = partial;
            end
        end
    endgenerate
    /* verilator lint_on WIDTHEXPAND */

    assign product = $signed(partials[(STAGES-1)*PRODUCT_WIDTH +: PRODUCT_WIDTH]);
endmodule
