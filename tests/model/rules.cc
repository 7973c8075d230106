// Names and answers (rules.h).
#include "tests/model/rules.h"

#include <algorithm>
#include <set>

namespace ims::model {

Response refuse(Code code) {
  Response response;
  response.set_code(static_cast<int>(code));
  return response;
}

Response answer(const google::protobuf::MessageLite& result) {
  Response response;
  response.set_payload(result.SerializeAsString());
  return response;
}

bool is_name(const std::string& name) {
  static const std::set<std::string> white = {
      "\u00a0", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007",
      "\u2008", "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"};
  if (name.empty() || name.size() > 64 || !is_label(name)) return false;
  return name.find_first_of("/#*> ") == std::string::npos &&
         std::none_of(white.begin(), white.end(), [&](const std::string& space) {
           return name.find(space) != std::string::npos;
         });
}

bool is_label(const std::string& label) {
  for (std::size_t i = 0; i < label.size(); ++i) {
    const auto byte = static_cast<unsigned char>(label[i]);
    if (byte < 0x20 || byte == 0x7f) return false;
    if (byte == 0xc2 && static_cast<unsigned char>(label[i + 1]) < 0xa0) return false;
  }
  return label.size() <= 256;
}

std::uint32_t page_limit(std::uint32_t limit) { return limit == 0 ? 100 : std::min(limit, 1000u); }

}  // namespace ims::model
