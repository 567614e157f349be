// RESCALE with a 16-bit multiplier and double rounding, as TOSA's pseudocode writes it.
module tosa_rescale (
    input  wire               clk,
    input  wire               double_round,
    input  wire signed [31:0] value,
    input  wire signed [7:0]  input_zp,
    input  wire signed [15:0] multiplier,
    input  wire        [5:0]  shift,
    input  wire signed [7:0]  output_zp,
    output reg  signed [7:0]  result
);
    function automatic signed [47:0] apply_scale;
        input signed [31:0] v;
        input signed [15:0] m;
        input [5:0] s;
        input d;
        reg signed [47:0] round;
        reg signed [47:0] product;
        begin
            round = 48'sd1 <<< (s - 6'd1);
            if (d && s > 6'd31) begin
                if (v >= 0) round = round + 48'sd1073741824;
                else round = round - 48'sd1073741824;
            end
            product = v * m + round;
            apply_scale = product >>> s;
        end
    endfunction
    wire signed [31:0] centred = value - input_zp;
    wire signed [47:0] scaled = apply_scale(centred, multiplier, shift, double_round);
    wire signed [47:0] moved = scaled + output_zp;
    always @(posedge clk) result <= moved > 127 ? 8'sd127 : moved < -128 ? -8'sd128 : moved[7:0];
endmodule
