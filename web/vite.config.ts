import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

// `npm run mock` listens here by default; `npm run dev` passes everything that is not a screen on to it.
const behind = process.env['YHT_BEHIND'] ?? 'http://127.0.0.1:8765'

export default defineConfig({
  plugins: [vue()],
  define: {
    __VUE_OPTIONS_API__: true, // Element Plus' own code still looks at it
    __VUE_PROD_DEVTOOLS__: false,
    __INTLIFY_PROD_DEVTOOLS__: false,
    __VUE_I18N_LEGACY_API__: false,
    __VUE_I18N_FULL_INSTALL__: false,
  },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // no data: addresses, so that a strict content security policy holds
    modulePreload: { polyfill: false }, // the polyfill would be an inline script
    reportCompressedSize: true,
  },
  server: {
    proxy: {
      '^/(api|hub|city)/': { target: behind, ws: true },
    },
  },
  test: {
    environment: 'happy-dom',
    include: ['tests/**/*.test.ts'],
    server: { deps: { inline: ['element-plus'] } },
  },
})
