// What all requests have in common: names (PROTOCOL.md section 3), pages, refusals (section 7).
#pragma once

#include <cstdint>
#include <string>

#include "ims.pb.h"
#include "shared/codes.h"

namespace ims::model {

Response refuse(Code code);
Response answer(const google::protobuf::MessageLite& result);
bool is_name(const std::string& name);
bool is_label(const std::string& label);  // a group's name, a note
// Choice: a cursor is a name or empty, and one that cannot be the end of a page is refused.
inline bool is_cursor(const std::string& cursor) { return cursor.empty() || is_name(cursor); }
std::uint32_t page_limit(std::uint32_t limit);
inline bool bad_options(const Request& request) { return request.opts_size() > 16; }
template <typename Map>
auto find(Map& map, const std::string& key) {
  const auto it = map.find(key);
  return it == map.end() ? nullptr : &it->second;
}

}  // namespace ims::model
