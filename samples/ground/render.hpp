// The picture that weft_ground makes of an answer: the input with the answer's box, the heat map
// over the input with its scale, and one small map per word; or two answers side by side.
#pragma once

#include <string>
#include <vector>

#include "ground/metrics.hpp"
#include "weft/error.hpp"
#include "weft/image.hpp"

namespace weft::ground {

struct Report {
  Image image;                       // the input, RGB, any size
  std::vector<float> probabilities;  // [kGridPatches], 0 to 1: the patch belongs to the answer
  std::vector<float> word_maps;      // [words][kGridPatches], none negative, each word's sum 1
  std::vector<std::string> words;    // any number, also none
  std::string phrase;
  Box box;              // in the input's pixels; empty: nothing was found
  std::string caption;  // one line, such as device and time; may be empty
};

// Draws the report, about 1200 pixels wide. The same report gives the same bytes.
//
// The panels show the input enlarged to 512 pixels along its longer side, in whole steps for small
// pictures, so that their pixels stay visible. Maps are enlarged bilinearly. A word's map is
// coloured from 0 to its own peak, but at least to four times an even share, so that a word which
// looks everywhere stays dark; the percentage is the peak patch's share of the word's attention.
//
// invalid_argument: an image that isn't RGB or that has another number of bytes than its size, maps
//   of the wrong length or with a negative, infinite or NaN value, or a box outside the image.
Result<Image> render(const Report& report);

struct ComparedAnswer {
  std::string title;                 // what was done to get it
  std::vector<float> probabilities;  // as Report's
  Box box;
};

struct Comparison {
  Image image;  // as Report's
  std::string phrase;
  ComparedAnswer before, after;
  std::string caption;  // one line; may be empty
};

// Two answers side by side, about 900 pixels wide: boxes above, heat maps below. The rest as above.
Result<Image> render(const Comparison& comparison);

}  // namespace weft::ground
