// What every consumer does: one attention on the device, one number compared with its closed form.
#pragma once

#include <cmath>
#include <cstdio>
#include <weft/weft.hpp>

namespace consumer {

// One query row that looks at key 0 with score s and at two others with score 0.
inline weft::Result<float> attend_once() {
  WEFT_ASSIGN(weft::Device device, weft::Device::open());
  WEFT_ASSIGN(weft::Tensor query, device.tensor(weft::DType::f32, {1, 1, 1, 4}));
  WEFT_ASSIGN(weft::Tensor keys, device.tensor(weft::DType::f32, {1, 1, 3, 4}));
  WEFT_ASSIGN(weft::Tensor output, device.tensor(weft::DType::f32, {1, 1, 1, 4}));
  WEFT_TRY(device.upload(query, std::vector<float>{3, 0, 0, 0}));
  WEFT_TRY(device.upload(keys, std::vector<float>{1, 0, 0, 5, 0, 1, 0, 6, 0, 0, 1, 7}));

  weft::Recorder recorder(device);
  WEFT_TRY(weft::attention(recorder, {.query = query, .key = keys, .value = keys, .output = output}));
  WEFT_ASSIGN(weft::Ticket ticket, recorder.submit());
  WEFT_TRY(ticket.wait());
  WEFT_ASSIGN(const std::vector<float> values, device.download<float>(output));
  return values[3];
}

// The exit code: 0 for the right number, 77 where there is no device, else 1.
inline int check_attention() {
  const weft::Result<float> found = attend_once();
  if (!found) {
    std::fprintf(stderr, "%s: %s\n", weft::to_string(found.error().code), found.error().message.c_str());
    return found.error().code == weft::Code::no_device ? 77 : 1;
  }
  const float heavy = std::exp(1.5f);  // scale 1 / sqrt(4)
  const float wanted = (5 * heavy + 6 + 7) / (heavy + 2);
  std::printf("attention gives %.5f, wanted %.5f\n", *found, wanted);
  return std::fabs(*found - wanted) < 1e-4f ? 0 : 1;
}

}  // namespace consumer
