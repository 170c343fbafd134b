import { createRouter, createWebHistory } from 'vue-router'
import ProvincePage from './province/ProvincePage.vue'

export const router = createRouter({
  history: createWebHistory('/'),
  routes: [
    { path: '/', name: 'province', component: ProvincePage },
    { path: '/seat/:city', name: 'seat', component: () => import('./seat/SeatPage.vue'), props: true },
    { path: '/seat/:city/supervise', name: 'supervise', component: () => import('./seat/SupervisePage.vue'), props: true },
    { path: '/:rest(.*)*', name: 'unknown', component: () => import('./shared/UnknownPage.vue') },
  ],
})
