// Skipping an unknown group: the one part of the reader that is not inline.
#include "shared/wire.h"

namespace ims {

// Iterative: a client decides how deep the groups nest, so the depth costs no stack frames.
bool WireReader::skip_group() noexcept {
  const std::uint32_t start_tag = tag_;
  std::uint32_t open[kWireDepthMax];  // the start tags of the groups we are in
  int depth = 0;
  if (depth_ < 1) return false;
  open[depth++] = start_tag;
  while (depth > 0) {
    if (at_ == end_ || !read_tag()) return false;
    switch (tag_ & 7) {
      case 3:
        if (depth == depth_) return false;
        open[depth++] = tag_;
        break;
      case 4:
        if (tag_ != open[depth - 1] + 1) return false;
        --depth;
        break;
      default:
        if (!read_value()) return false;
    }
  }
  tag_ = start_tag;
  return true;
}

}  // namespace ims
