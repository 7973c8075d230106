// The socket's name through its folder's descriptor (admin_address.h).
#include "deploy/admin_address.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

namespace ims {

AdminAddress::AdminAddress(const DataDir& data)
    : folder_(open(data.run().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  if (folder_ < 0) throw std::system_error(errno, std::generic_category(), data.run().string());
  address_.sun_family = AF_UNIX;
  std::snprintf(address_.sun_path, sizeof address_.sun_path, "/proc/self/fd/%d/admin.sock",
                folder_);
}

AdminAddress::~AdminAddress() { close(folder_); }

}  // namespace ims
