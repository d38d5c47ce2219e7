// What stands around attention, in C.
#include "capi/structs.hpp"

using namespace weft;
using namespace weft::capi;

weft_status weft_linear(weft_recorder* recorder, const weft_linear_call* call, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_ASSIGN(const weft_linear_call in, read(function, "call", call));
    LinearCall out;
    WEFT_ASSIGN(out.activation,
                read_enum(function, "call.activation", in.activation, Activation::quick_gelu));
    WEFT_TRY(read_tensors(function, "call",
                          {{"input", in.input, &out.input},
                           {"weight", in.weight, &out.weight},
                           {"bias", in.bias, &out.bias},
                           {"output", in.output, &out.output}}));
    return linear(recorder->recorder, out);
  });
}

namespace {

using Norm = Result<void> (*)(Recorder&, const NormCall&);

Result<void> record_norm(Function function, Norm norm, weft_recorder* recorder,
                         const weft_norm_call* call) {
  WEFT_TRY(function.given("recorder", recorder));
  WEFT_ASSIGN(const weft_norm_call in, read(function, "call", call));
  NormCall out;
  out.epsilon = in.epsilon;
  WEFT_TRY(read_tensors(function, "call",
                        {{"input", in.input, &out.input},
                         {"weight", in.weight, &out.weight},
                         {"bias", in.bias, &out.bias},
                         {"output", in.output, &out.output}}));
  return norm(recorder->recorder, out);
}

}  // namespace

weft_status weft_layer_norm(weft_recorder* recorder, const weft_norm_call* call,
                            weft_error* error) {
  return run({__func__}, error,
             [&](Function function) { return record_norm(function, layer_norm, recorder, call); });
}

weft_status weft_rms_norm(weft_recorder* recorder, const weft_norm_call* call, weft_error* error) {
  return run({__func__}, error,
             [&](Function function) { return record_norm(function, rms_norm, recorder, call); });
}

weft_status weft_add(weft_recorder* recorder, const weft_add_call* call, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_ASSIGN(const weft_add_call in, read(function, "call", call));
    AddCall out;
    WEFT_ASSIGN(out.gate.kind, read_enum(function, "call.gate_kind", in.gate_kind, GateKind::tanh));
    WEFT_TRY(read_tensors(function, "call",
                          {{"left", in.left, &out.left},
                           {"right", in.right, &out.right},
                           {"output", in.output, &out.output},
                           {"gate", in.gate, &out.gate.value},
                           {"row_factors", in.row_factors, &out.row_factors}}));
    return add(recorder->recorder, out);
  });
}

weft_status weft_multiply(weft_recorder* recorder, const weft_multiply_call* call,
                          weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_ASSIGN(const weft_multiply_call in, read(function, "call", call));
    MultiplyCall out;
    WEFT_ASSIGN(out.activation,
                read_enum(function, "call.activation", in.activation, Activation::quick_gelu));
    WEFT_TRY(read_tensors(function, "call",
                          {{"left", in.left, &out.left},
                           {"right", in.right, &out.right},
                           {"output", in.output, &out.output}}));
    return multiply(recorder->recorder, out);
  });
}

weft_status weft_gather(weft_recorder* recorder, const weft_gather_call* call, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_ASSIGN(const weft_gather_call in, read(function, "call", call));
    GatherCall out;
    WEFT_TRY(read_tensors(function, "call",
                          {{"table", in.table, &out.table},
                           {"indices", in.indices, &out.indices},
                           {"output", in.output, &out.output}}));
    return gather(recorder->recorder, out);
  });
}

weft_status weft_mix_keys(weft_recorder* recorder, const weft_mix_keys_call* call,
                          weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_ASSIGN(const weft_mix_keys_call in, read(function, "call", call));
    MixKeysCall out;
    WEFT_TRY(read_tensors(function, "call",
                          {{"input", in.input, &out.input},
                           {"output", in.output, &out.output},
                           {"factors", in.factors, &out.factors},
                           {"matrix", in.matrix, &out.matrix}}));
    return mix_keys(recorder->recorder, out);
  });
}

weft_status weft_rotary(weft_recorder* recorder, const weft_rotary_call* call, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_ASSIGN(const weft_rotary_call in, read(function, "call", call));
    if (in.interleaved > 1)
      return function.broken("call.interleaved is ", in.interleaved, "; it must be 0 or 1");
    RotaryCall out;
    out.interleaved = in.interleaved != 0;
    WEFT_TRY(read_tensors(function, "call",
                          {{"input", in.input, &out.input},
                           {"angles", in.angles, &out.angles},
                           {"output", in.output, &out.output}}));
    return rotary(recorder->recorder, out);
  });
}
