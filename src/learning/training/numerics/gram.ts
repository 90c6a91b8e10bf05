/** denseᵀ·dense */
export function gram(dense: Float64Array, rows: number, width: number): Float64Array {
  const result = new Float64Array(width * width)
  for (let row = 0; row < rows; row++) {
    const base = row * width
    for (let i = 0; i < width; i++) {
      const value = dense[base + i] as number
      if (value === 0) continue
      for (let j = 0; j <= i; j++) {
        result[i * width + j] = (result[i * width + j] as number) + value * (dense[base + j] as number)
      }
    }
  }
  for (let i = 0; i < width; i++) {
    for (let j = 0; j < i; j++) result[j * width + i] = result[i * width + j] as number
  }
  return result
}
