#include <stdint.h>
#include <stdio.h>
#ifdef WITH_ZLIB
#include <zlib.h>
#else
static uint32_t crc32(uint32_t crc, const unsigned char *data, size_t size)
{
    crc = ~crc;
    while (size--) {
        crc ^= *data++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}
#endif

int main(void)
{
    unsigned char data[65536];
    size_t size;
    uint32_t crc = 0;

    while ((size = fread(data, 1, sizeof data, stdin)) > 0)
        crc = crc32(crc, data, size);
    printf("%08x\n", crc);
    return 0;
}
