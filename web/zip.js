// A zip archive (PKWARE's APPNOTE, 4.3) without compression: images are compressed already.

export const LARGEST_ZIP = 0xffffffff; // offsets have 32 bits without ZIP64 (APPNOTE, 4.4.1.4)

// Returns a blob of the archive. Each file is `{ name, blob }`.
export async function zip(files) {
  const now = new Date();
  const time = (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1);
  const date = ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
  const contents = [];
  const directory = [];
  let offset = 0;
  for (const { name, blob } of files) {
    const label = new TextEncoder().encode(name);
    const checksum = crc32(new Uint8Array(await blob.arrayBuffer()));
    // Version 2.0, UTF-8 names (bit 11), no compression; then name length, and no extra field.
    const entry = [
      [20, 2],
      [0x0800, 2],
      [0, 2],
      [time, 2],
      [date, 2],
      [checksum, 4],
      [blob.size, 4],
      [blob.size, 4],
      [label.length, 2],
      [0, 2],
    ];
    const local = littleEndian([0x04034b50, 4], ...entry);
    contents.push(local, label, blob);
    directory.push(
      littleEndian([0x02014b50, 4], [20, 2], ...entry, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]),
      label,
    );
    offset += local.length + label.length + blob.size;
  }
  const length = directory.reduce((sum, part) => sum + part.length, 0);
  const end = littleEndian(
    [0x06054b50, 4],
    [0, 2],
    [0, 2],
    [files.length, 2],
    [files.length, 2],
    [length, 4],
    [offset, 4],
    [0, 2],
  );
  return new Blob([...contents, ...directory, end], { type: "application/zip" });
}

function littleEndian(...numbers) {
  return Uint8Array.from(
    numbers.flatMap(([value, bytes]) =>
      Array.from({ length: bytes }, (_, index) => (value >>> (8 * index)) & 0xff),
    ),
  );
}

// CRC-32 of ISO 3309, reflected, byte by byte.
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit += 1) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 0xff];
  return (crc ^ 0xffffffff) >>> 0;
}
