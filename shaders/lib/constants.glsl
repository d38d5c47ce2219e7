// Numbers that several kernels use.
const float kLog2e = 1.44269504088896340736;
const float kLn2 = 0.69314718055994530942;
// Where the running maximum of a row starts: below every finite score that matters, yet not infinite, so that
// differences stay numbers. A score at or below it gets weight 0.
const float kLowest = -1.7e38;
const uint kMinusInfinityBits = 0xff800000u;
