// Memory that nothing points to any more, where the address sanitizer watches.
#pragma once

namespace weft::test {

// True if there is any besides the driver's own; says where it came from on stderr. False without
// the sanitizer.
bool leaked();

}  // namespace weft::test
