// Where a Secret takes its memory and where it zeroes it.
#include "logic/secret.h"

#include <sodium.h>

#include <cstring>

namespace ims::logic {

Secret::Secret(std::string_view text, int)
    : bytes_(text.empty() ? nullptr : new char[text.size()]), size_(text.size()) {
  if (size_ > 0) std::memcpy(bytes_.get(), text.data(), size_);
}

void Secret::wipe() noexcept {
  if (size_ > 0) sodium_memzero(bytes_.get(), size_);
  bytes_.reset();
  size_ = 0;
}

}  // namespace ims::logic
