// Where operations are carried out: a simulated server or a real one.
#pragma once

#include <cstdint>
#include <string>

#include "tests/model/operation.h"

namespace ims::model {

class Place {
 public:
  virtual ~Place() = default;

  // What tells the two apart:
  //   true   the clock stands still while an operation is carried out, and over 2 s pass behind it
  //   false  time_ms is the server's to say; what may take a moment is asked again until it is so
  virtual bool has_clock() const = 0;
  virtual std::int64_t now_ms() const = 0;
  virtual void pass(std::int64_t ms) = 0;

  virtual void connect(int client, std::size_t gateway) = 0;
  virtual void write(int client, const std::string& bytes) = 0;
  virtual void half_close(int client) = 0;
  virtual void reset(int client) = 0;
  virtual std::string read(int client) = 0;  // what has arrived
  virtual bool ended(int client) const = 0;  // by the server, all read
  virtual std::string token(int tenant, const std::string& user) = 0;
  virtual void restart(bool crash) = 0;
  // Until nothing more comes, or (without a clock) for a moment. False: no use to wait longer.
  virtual bool wait() = 0;
  virtual void begin() {}  // an operation
};

}  // namespace ims::model
