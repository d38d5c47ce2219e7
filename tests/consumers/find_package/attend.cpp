#include "../attend.hpp"

int main() { return consumer::check_attention(); }
