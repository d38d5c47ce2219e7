// Measures the model on generated scenes, beside baselines that a map must beat to mean anything.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ground/model.hpp"
#include "ground/scenes.hpp"

namespace weft::ground {

struct Score {
  std::string map;      // which map was measured
  double pointing = 0;  // share of phrases whose map peaks inside the mask
  double mass = 0;      // mean share of the map that lies inside the mask
  double iou = 0;       // mean intersection over union of the thresholded map and the mask
};

struct Evaluation {
  uint32_t scenes = 0;
  uint32_t phrases = 0;
  float threshold = 0;  // of the model's probabilities; other maps: half of their peak
  std::vector<Score> scores;
};

struct EvaluationOptions {
  uint32_t scenes = 100;
  uint64_t seed = 1;
  Split split = Split::held_out;
  std::function<void(uint32_t done, uint32_t of)> progress;
};

// Every phrase of every scene. `noise` is the same model with untrained weights.
Result<Evaluation> evaluate(Model& model, Model& noise, float threshold, const EvaluationOptions& options);

}  // namespace weft::ground
