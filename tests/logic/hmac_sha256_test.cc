// HmacSha256 against the published vectors: short, block-sized and oversized keys.
#include "logic/hmac_sha256.h"

#include <doctest/doctest.h>

#include <string>

namespace ims::logic {
namespace {

std::string hex(const HmacSha256::Tag& tag) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : tag) text.append({kHex[byte >> 4], kHex[byte & 15]});
  return text;
}

std::string_view view(const HmacSha256::Tag& tag) {
  return {reinterpret_cast<const char*>(tag.data()), tag.size()};
}

struct Row {
  const char* name;
  std::string key;
  std::string message;
  const char* tag;
};

TEST_CASE("hmac_sha256: RFC 4231 section 4, and the empty key and message") {
  const Row rows[] = {
      {"4.2", std::string(20, '\x0b'), "Hi There",
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"4.3", "Jefe", "what do ya want for nothing?",
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {"4.4", std::string(20, '\xaa'), std::string(50, '\xdd'),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {"4.7 key over a block", std::string(131, '\xaa'),
       "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {"4.8 key and data over a block", std::string(131, '\xaa'),
       "This is a test using a larger than block-size key and a larger than block-size data. The "
       "key needs to be hashed before being used by the HMAC algorithm.",
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
      {"empty", "", "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
      // Made with python3's hmac.
      {"key of 64 bytes", std::string(64, 'k'), "m",
       "3b7a8d453e76edb519238a515105a57508d0f169f480ebeee120a9e7803289fa"},
      {"key of 65 bytes", std::string(65, 'k'), "m",
       "c2d7d4c2256ddb097409ec0c67e1d58fa1a007fc6932cac0d892a525d08af7cc"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const HmacSha256 hmac(row.key);
    CHECK(hex(hmac.tag(row.message)) == row.tag);
    CHECK(hex(hmac.tag(row.message)) == row.tag);  // the prepared state was not used up
  }
}

TEST_CASE("hmac_sha256: verify takes the whole tag and no other") {
  const HmacSha256 hmac("secret");
  const HmacSha256::Tag tag = hmac.tag("message");
  CHECK(hmac.verify("message", view(tag)));
  CHECK_FALSE(hmac.verify("messagf", view(tag)));
  CHECK_FALSE(hmac.verify("message", view(tag).substr(0, 31)));
  CHECK_FALSE(hmac.verify("message", std::string(view(tag)) + '\0'));
  CHECK_FALSE(hmac.verify("message", ""));
  CHECK_FALSE(HmacSha256("secreu").verify("message", view(tag)));
  for (std::size_t bit = 0; bit < tag.size() * 8; ++bit) {
    HmacSha256::Tag flipped = tag;
    flipped[bit / 8] = static_cast<unsigned char>(flipped[bit / 8] ^ (1u << (bit % 8)));
    CHECK_FALSE(hmac.verify("message", view(flipped)));
  }
}

}  // namespace
}  // namespace ims::logic
