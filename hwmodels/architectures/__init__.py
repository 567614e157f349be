"""The rescaler architectures: Verilog, contract, parameters, components, stimulus and timing of each."""
