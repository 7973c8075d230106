// The address of DIR/run/admin.sock. A unix socket's path has at most 107 bytes, a data directory's
// may be longer: so the folder is opened, and the socket named through its descriptor.
//
// Ownership  Holds the descriptor open as long as the address is used.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "deploy/data_dir.h"

namespace ims {

class AdminAddress {
 public:
  // Throws std::system_error (ENOENT: there is no DIR/run).
  explicit AdminAddress(const DataDir& data);
  ~AdminAddress();
  AdminAddress(const AdminAddress&) = delete;
  AdminAddress& operator=(const AdminAddress&) = delete;

  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&address_); }
  socklen_t bytes() const noexcept { return sizeof address_; }
  int folder() const noexcept { return folder_; }

 private:
  int folder_ = -1;
  sockaddr_un address_{};
};

}  // namespace ims
