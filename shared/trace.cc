// Memory for traces that is in no file (trace.h).
#include "shared/trace.h"

#include <sys/mman.h>

#include <cerrno>
#include <system_error>

namespace ims {

TraceMemory::TraceMemory(std::size_t gateways) {
  void* const begin = mmap(nullptr, gateways * sizeof(TraceRegion), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (begin == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(), "no memory for traces");
  }
  regions_ = {static_cast<TraceRegion*>(begin), gateways};
}

TraceMemory::~TraceMemory() { munmap(regions_.data(), regions_.size_bytes()); }

}  // namespace ims
